/* version.h: the one place where the version stands.
 *
 * CMake (project(VERSION)), the Python wheel's metadata and the compiled module all read this line,
 * so they cannot disagree. Major.minor.patch, as plain digits: CMake takes nothing else. */
#ifndef GLASSHEAP_VERSION_H
#define GLASSHEAP_VERSION_H

#define GLASSHEAP_VERSION "0.1.0"

#endif
