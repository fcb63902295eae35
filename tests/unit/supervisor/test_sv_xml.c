/* XML-RPC as a client reads it, and that what is written is read as it was. */
#include "roles/supervisor/sv_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "tests/lib/check.h"

#define ANSWER(value)                                                                              \
	"<?xml version='1.0'?><methodResponse><params><param><value>" value                        \
	"</value></param></params></methodResponse>"

static int read_it(const char *text, size_t n, json_t **value, bool *fault)
{
	struct err err = { 0 };
	int rc = sv_xml_read_response(text, n, value, fault, &err);

	check_true((rc != 0) == (*err.text != '\0'));
	return rc;
}

Test(sv_xml, answers_are_values)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ ANSWER("<int>-7</int>"), "-7" },
		{ ANSWER("<i4>2147483648</i4>"), "2147483648" },
		{ ANSWER("<boolean>1</boolean>"), "true" },
		{ ANSWER("<string>a&lt;b &amp; c</string>"), "\"a<b & c\"" },
		{ ANSWER("plain"), "\"plain\"" },
		{ ANSWER("<string/>"), "\"\"" },
		{ ANSWER("<nil/>"), "null" },
		{ ANSWER("<double>0.5</double>"), "0.5" },
		{ ANSWER("<array><data/></array>"), "[]" },
		{ ANSWER("<array><data><value><int>1</int></value><value>x</value></data></array>"),
		  "[1,\"x\"]" },
		{ ANSWER("<struct><member><name>a</name><value><int>1</int></value></member>"
			 "<member><name>b</name><value><array><data><value>y</value></data></array>"
			 "</value></member></struct>"),
		  "{\"a\":1,\"b\":[\"y\"]}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *value = NULL;
		bool fault = true;
		check_int(read_it(cases[i].text, strlen(cases[i].text), &value, &fault), 0);
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		check_str(text, cases[i].want);
		check_true(!fault);
		free(text);
		json_decref(value);
	}
}

Test(sv_xml, what_is_no_answer_leaves_all_as_it_was)
{
	static const char *const cases[] = {
		"",
		"<",
		"<methodResponse/>",
		"<methodResponse><params/></methodResponse>",
		"<methodCall><methodName>a</methodName><params/></methodCall>",
		"<methodResponse><params><param><value>1</value></param>"
		"<param><value>2</value></param></params></methodResponse>",
		ANSWER("<int>x</int>"),
		ANSWER("<int>99999999999999999999</int>"),
		ANSWER("<nonesuch/>"),
		ANSWER("<struct><member><value>1</value></member></struct>"),
		"<!DOCTYPE a [<!ENTITY e 'x'>]>" ANSWER("&e;"),
		ANSWER("1") "<more/>",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *value = (json_t *)cases;
		bool fault = true;
		int rc = read_it(cases[i], strlen(cases[i]), &value, &fault);
		cr_expect(rc != 0, "%s", cases[i]);
		check_true(value == (json_t *)cases && fault);
	}
}

Test(sv_xml, an_answer_that_is_cut_is_none)
{
	static const char whole[] = ANSWER("<array><data><value>a</value></data></array>");

	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		char *part = malloc(n + 1); /* so that a byte more is seen */
		json_t *value = NULL;
		bool fault = false;
		memcpy(part, whole, n);
		check_true(read_it(part, n, &value, &fault) != 0 && !value);
		free(part);
	}
}

Test(sv_xml, reads_what_it_writes)
{
	static const char text[] = "{\"list\":[1,-2,true,false,null,0.25,\"<&>\\n\\u00e9\",[],{}],"
				   "\"long\":9007199254740993,\"deep\":[[[[\"x\"]]]]}";
	json_t *sent = json_loads(text, 0, NULL), *got = NULL;
	struct buf out;
	bool fault = true;

	buf_init(&out, 64 * 1024);
	check_int(sv_xml_write_result(&out, sent), 0);
	check_int(read_it((const char *)buf_data(&out), buf_len(&out), &got, &fault), 0);
	check_true(!fault && json_equal(sent, got));
	json_decref(got);
	buf_take(&out, buf_len(&out));
	check_int(sv_xml_write_fault(&out, 10, "BAD_NAME: <a>"), 0);
	check_int(read_it((const char *)buf_data(&out), buf_len(&out), &got, &fault), 0);
	check_true(fault);
	check_int(json_integer_value(json_object_get(got, "faultCode")), 10);
	check_str(json_string_value(json_object_get(got, "faultString")), "BAD_NAME: <a>");
	json_decref(got);
	json_decref(sent);
	buf_fini(&out);
}

Test(sv_xml, an_answer_over_the_ceiling_is_refused)
{
	json_t *sent = json_string("a string that is longer than the buffer may become");
	struct buf out;

	buf_init(&out, 64);
	check_int(sv_xml_write_result(&out, sent), ERR_LIMIT);
	json_decref(sent);
	buf_fini(&out);
}
