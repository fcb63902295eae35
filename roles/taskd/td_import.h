/* td_import - swoole-task's files become an ini; as role.import. */
#pragma once

struct err;
struct import;

int td_import(struct import *im, struct err *err);
