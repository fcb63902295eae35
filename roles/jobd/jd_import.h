/* jd_import - swoole-jobs' config.php becomes an ini; as role.import. */
#pragma once

struct err;
struct import;

int jd_import(struct import *im, struct err *err);
