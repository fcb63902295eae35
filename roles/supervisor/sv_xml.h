/*
 * sv_xml - XML-RPC's dialect of XML to values and back (xmlrpc.com/spec.html). expat reads it;
 * documents with a DOCTYPE are refused, so there are no entities but XML's own five.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

enum { SV_XML_DEPTH = 16, SV_XML_VALUES = 10000, SV_XML_ANSWERS = 2000000 };

/* *method is the caller's to free, *params an array to be decref'ed. Returns 0, or ERR_PROTO. */
int sv_xml_read_call(const char *text, size_t n, char **method, json_t **params, struct err *err);

/* A <methodResponse>; of what fits under the buf's ceiling. Returns 0 or ERR_LIMIT. */
int sv_xml_write_result(struct buf *out, const json_t *value);
int sv_xml_write_fault(struct buf *out, int code, const char *text);

/* The client's side. *value: the result, or the fault's struct; to be decref'ed. */
int sv_xml_write_call(struct buf *out, const char *method, const json_t *params);
int sv_xml_read_response(const char *text, size_t n, json_t **value, bool *fault, struct err *err);
