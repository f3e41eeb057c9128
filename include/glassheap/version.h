/* version.h: the version of glassheap, defined here alone.
 *
 * CMake (project(VERSION)), the metadata of the Python wheel and the compiled module all read this
 * line, so they cannot disagree. Major.minor.patch in plain digits: CMake accepts nothing else. */
#ifndef GLASSHEAP_VERSION_H
#define GLASSHEAP_VERSION_H

#define GLASSHEAP_VERSION "0.1.0"

#endif
