#include "roles/sqlproxy/sp_show.h"

#include "core/stat/stat.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_worker.h"

void sp_show_status(struct sp_proxy *p, struct stat_out *out)
{
	uint64_t queries = 0;

	for (int i = 0; sp_proxy_worker(p, i); i++)
		queries += sp_proxy_worker(p, i)->figures.queries;
	stat_table(out, "totals", "All of this process.");
	stat_row(out);
	stat_counter(out, "queries", "Statements answered.", queries);
}
