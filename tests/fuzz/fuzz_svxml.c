/* Calls of the supervisor's XML-RPC, and answers to its client; what was read is written as an
 * answer. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "roles/supervisor/sv_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	json_t *params = NULL;
	char *method = NULL;
	json_t *value = NULL;
	struct buf out;
	bool fault;

	if (sv_xml_read_response((const char *)data, size, &value, &fault, &err) == 0)
		json_decref(value);
	if (sv_xml_read_call((const char *)data, size, &method, &params, &err) != 0)
		return 0;
	buf_init(&out, 64 * 1024);
	sv_xml_write_result(&out, params);
	sv_xml_write_fault(&out, 1, method);
	buf_fini(&out);
	json_decref(params);
	free(method);
	return 0;
}
