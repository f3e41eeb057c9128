// registry.hpp: exception classes and record types, as Python registers them.
//
// They are defined in Python. The package hands them over in one call, _register, when it is
// imported: the exceptions as classes, the record types as a function that finds one by its name.
// The modules of the records are slow to import, so each is imported with its first record.
#pragma once

#include "bindings.hpp"

namespace glassheap::bindings {

// The exception class of that name: a registered one, or a builtin.
py::object error_class(const char* name);

// The record type of that name.
py::object record_type(const char* name);

// Makes any number of records of one named-tuple type.
class RecordMaker {
 public:
  explicit RecordMaker(const char* name) : type_(record_type(name)) {}
  [[nodiscard]] py::object operator()(const py::tuple& fields) const;

 private:
  py::object type_;
};

// The block as a record, which is a BlockInfo.
py::object as_record(const RecordMaker& record, const BlockInfo& info);

}  // namespace glassheap::bindings
