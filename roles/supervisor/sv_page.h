/* sv_page - the page for a person: one file, which asks /v1 for all it shows. */
#pragma once

struct http_call;

void sv_page_answer(struct http_call *call);
