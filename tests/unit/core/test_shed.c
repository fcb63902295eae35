#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/shed.h"
#include "tests/lib/check.h"

/* Of /proc/self/status, kB. */
static long file_pages(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssFile: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

Test(shed, gives_back_pages_of_files_and_all_goes_on)
{
	char *kept = strdup("written before");
	long before = file_pages();

	shed_memory();
	long after = file_pages();
	check_true(before > 0 && after > 0 && after < before);
	check_str(kept, "written before");
	shed_pages();
	check_str(getenv("PATH") ? "there" : "gone", "there");
	free(kept);
}
