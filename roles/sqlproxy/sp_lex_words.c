#include "roles/sqlproxy/sp_lex_words.h"

#include <string.h>

enum { NAME_MAX_LEN = 31 };

/* ---- key words, by first letter */

/* clang-format off */
#define ENTRY(name, word, paren) { #name, sizeof #name - 1, word, paren }
/* clang-format on */
#define WORD(name)  ENTRY(name, SP_WORD_##name, false)
#define PAREN(name) ENTRY(name, SP_WORD_##name, true)
#define OTHER(name) ENTRY(name, SP_WORD_OTHER, true)

static const struct sp_word_row a_words[] = { OTHER(ALL), WORD(ALTER), WORD(ANALYZE),
					      OTHER(AND), PAREN(AS),   OTHER(ASC) };
static const struct sp_word_row b_words[] = { WORD(BACKUP),  WORD(BEGIN),   OTHER(BETWEEN),
					      OTHER(BIGINT), OTHER(BINARY), OTHER(BY) };
static const struct sp_word_row c_words[] = { WORD(CALL),     PAREN(CASE),  OTHER(CHARACTER),
					      WORD(CHECKSUM), WORD(COMMIT), WORD(CREATE) };
static const struct sp_word_row d_words[] = { WORD(DEALLOCATE), OTHER(DEC),         OTHER(DECIMAL),
					      WORD(DELETE),     PAREN(DESC),        WORD(DESCRIBE),
					      OTHER(DISTINCT),  OTHER(DISTINCTROW), OTHER(DIV),
					      WORD(DO),         OTHER(DOUBLE),      WORD(DROP) };
static const struct sp_word_row e_words[] = { PAREN(ELSE),   WORD(END),     OTHER(EXCEPT),
					      WORD(EXECUTE), OTHER(EXISTS), WORD(EXPLAIN) };
static const struct sp_word_row f_words[] = { OTHER(FLOAT), WORD(FLUSH), WORD(FOR), OTHER(FROM) };
static const struct sp_word_row g_words[] = { WORD(GET), OTHER(GROUP) };
static const struct sp_word_row h_words[] = { WORD(HANDLER), OTHER(HAVING), WORD(HELP),
					      OTHER(HIGH_PRIORITY) };
static const struct sp_word_row i_words[] = { WORD(IF),       OTHER(IN),
					      OTHER(INDEX),   WORD(INFORMATION_SCHEMA),
					      WORD(INSERT),   OTHER(INT),
					      OTHER(INTEGER), OTHER(INTERSECT),
					      WORD(INTO),     OTHER(IS) };
static const struct sp_word_row j_words[] = { OTHER(JOIN) };
static const struct sp_word_row k_words[] = { OTHER(KEY), WORD(KILL) };
static const struct sp_word_row l_words[] = { OTHER(LIKE), OTHER(LIMIT), WORD(LOAD), WORD(LOCK),
					      WORD(LOOP) };
static const struct sp_word_row m_words[] = { OTHER(MATCH), OTHER(MEDIUMINT) };
static const struct sp_word_row n_words[] = { WORD(NEXT), OTHER(NOT), OTHER(NUMERIC) };
static const struct sp_word_row o_words[] = { OTHER(ON), OTHER(OR) };
static const struct sp_word_row p_words[] = { OTHER(PARTITION), WORD(PERFORMANCE_SCHEMA),
					      WORD(PREPARE), WORD(PREVIOUS) };
static const struct sp_word_row r_words[] = { OTHER(REAL),    OTHER(REGEXP), WORD(RENAME),
					      WORD(REPEAT),   WORD(REPLACE), OTHER(RLIKE),
					      WORD(ROLLBACK), PAREN(ROW) };
static const struct sp_word_row s_words[] = { PAREN(SELECT),
					      PAREN(SET),
					      WORD(SHOW),
					      OTHER(SMALLINT),
					      OTHER(SQL_BIG_RESULT),
					      PAREN(SQL_CALC_FOUND_ROWS),
					      OTHER(SQL_SMALL_RESULT),
					      WORD(START),
					      OTHER(STRAIGHT_JOIN) };
static const struct sp_word_row t_words[] = { PAREN(TABLE), PAREN(THEN), OTHER(TINYINT),
					      WORD(TRUNCATE) };
static const struct sp_word_row u_words[] = { OTHER(UNION), WORD(UNLOCK), WORD(UPDATE), WORD(USE),
					      OTHER(USING) };
static const struct sp_word_row v_words[] = { OTHER(VALUE), PAREN(VALUES), OTHER(VARBINARY),
					      OTHER(VARCHAR) };
static const struct sp_word_row w_words[] = { OTHER(WHEN), OTHER(WHERE), PAREN(WHILE), WORD(WITH) };
static const struct sp_word_row x_words[] = { WORD(XA), OTHER(XOR) };

#define LETTER(letter, words) [letter - 'A'] = { words, sizeof words / sizeof words[0] }

static const struct {
	const struct sp_word_row *rows;
	size_t count;
} letters[26] = {
	LETTER('A', a_words), LETTER('B', b_words), LETTER('C', c_words), LETTER('D', d_words),
	LETTER('E', e_words), LETTER('F', f_words), LETTER('G', g_words), LETTER('H', h_words),
	LETTER('I', i_words), LETTER('J', j_words), LETTER('K', k_words), LETTER('L', l_words),
	LETTER('M', m_words), LETTER('N', n_words), LETTER('O', o_words), LETTER('P', p_words),
	LETTER('R', r_words), LETTER('S', s_words), LETTER('T', t_words), LETTER('U', u_words),
	LETTER('V', v_words), LETTER('W', w_words), LETTER('X', x_words),
};

/* Key words have letters and '_' only, and for those 0xdf makes capitals and spoils nothing. */
static bool same_word(const char *at, const char *want, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)at[i] & 0xdf) != (unsigned char)want[i])
			return false;
	return true;
}

const struct sp_word_row *sp_word_find(const char *at, size_t len)
{
	unsigned letter = ((unsigned char)at[0] & 0xdfu) - 'A';

	if (letter >= 26)
		return NULL;
	const struct sp_word_row *row = letters[letter].rows;
	for (size_t i = letters[letter].count; i > 0; i--, row++)
		if (row->len == len && same_word(at, row->text, len))
			return row;
	return NULL;
}

/* ---- functions */

/* Sorted as strcmp sorts. */
/* clang-format off */
static const char *const plain[] = {
	"ABS", "ACOS", "ADDDATE", "ADDTIME", "ADD_MONTHS", "AES_DECRYPT", "AES_ENCRYPT",
	"ANY_VALUE", "ASBINARY", "ASCII", "ASIN", "ASTEXT", "ASWKB", "ASWKT", "ATAN", "ATAN2",
	"AVG",
	"BENCHMARK", "BIN", "BIN_TO_UUID", "BIT_AND", "BIT_COUNT", "BIT_LENGTH", "BIT_OR",
	"BIT_XOR",
	"CAST", "CEIL", "CEILING", "CHAR", "CHARACTER_LENGTH", "CHARSET", "CHAR_LENGTH", "CHR",
	"COALESCE", "COERCIBILITY", "COLLATION", "COLUMN_ADD", "COLUMN_CHECK", "COLUMN_CREATE",
	"COLUMN_DELETE", "COLUMN_EXISTS", "COLUMN_GET", "COLUMN_JSON", "COLUMN_LIST", "COMPRESS",
	"CONCAT", "CONCAT_OPERATOR_ORACLE", "CONCAT_WS", "CONV", "CONVERT", "CONVERT_TZ",
	"CONVEXHULL", "COS", "COT", "COUNT", "CRC32", "CRC32C", "CUME_DIST", "CURDATE",
	"CURRENT_DATE", "CURRENT_ROLE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER",
	"CURTIME",
	"DATABASE", "DATE", "DATEDIFF", "DATE_ADD", "DATE_FORMAT", "DATE_SUB", "DAY", "DAYNAME",
	"DAYOFMONTH", "DAYOFWEEK", "DAYOFYEAR", "DECODE_HISTOGRAM", "DECODE_ORACLE", "DEFAULT",
	"DEGREES", "DENSE_RANK",
	"ELT", "ENDPOINT", "EXP", "EXPORT_SET", "EXTERIORRING", "EXTRACT", "EXTRACTVALUE",
	"FIELD", "FIND_IN_SET", "FIRST_VALUE", "FLOOR", "FORMAT", "FORMAT_BYTES",
	"FORMAT_PICO_TIME", "FROM_BASE64", "FROM_DAYS", "FROM_UNIXTIME", "FROM_VECTOR",
	"GEOMCOLLFROMTEXT", "GEOMCOLLFROMWKB", "GEOMETRYCOLLECTION", "GEOMETRYCOLLECTIONFROMTEXT",
	"GEOMETRYCOLLECTIONFROMWKB", "GEOMETRYFROMTEXT", "GEOMETRYFROMWKB", "GEOMETRYN",
	"GEOMETRYTYPE", "GEOMFROMTEXT", "GEOMFROMWKB", "GET_FORMAT", "GREATEST", "GROUPING",
	"GROUP_CONCAT", "GTID_SUBSET", "GTID_SUBTRACT",
	"HEX", "HOUR",
	"ICU_VERSION", "IF", "IFNULL", "INET6_ATON", "INET6_NTOA", "INET_ATON", "INET_NTOA",
	"INSERT", "INSTR", "INTERIORRINGN", "INTERVAL", "ISCLOSED", "ISEMPTY", "ISNULL", "ISRING",
	"ISSIMPLE", "IS_IPV4", "IS_IPV4_COMPAT", "IS_IPV4_MAPPED", "IS_IPV6", "IS_UUID",
	"JSON_APPEND", "JSON_ARRAY", "JSON_ARRAYAGG", "JSON_ARRAY_APPEND", "JSON_ARRAY_INSERT",
	"JSON_ARRAY_INTERSECT", "JSON_COMPACT", "JSON_CONTAINS", "JSON_CONTAINS_PATH", "JSON_DEPTH",
	"JSON_DETAILED", "JSON_EQUALS", "JSON_EXISTS", "JSON_EXTRACT", "JSON_INSERT", "JSON_KEYS",
	"JSON_KEY_VALUE", "JSON_LENGTH", "JSON_LOOSE", "JSON_MERGE", "JSON_MERGE_PATCH",
	"JSON_MERGE_PRESERVE", "JSON_NORMALIZE", "JSON_OBJECT", "JSON_OBJECTAGG",
	"JSON_OBJECT_FILTER_KEYS", "JSON_OBJECT_TO_ARRAY", "JSON_OVERLAPS", "JSON_PRETTY",
	"JSON_QUERY", "JSON_QUOTE", "JSON_REMOVE", "JSON_REPLACE", "JSON_SCHEMA_VALID",
	"JSON_SCHEMA_VALIDATION_REPORT", "JSON_SEARCH", "JSON_SET", "JSON_STORAGE_FREE",
	"JSON_STORAGE_SIZE", "JSON_TABLE", "JSON_TYPE", "JSON_UNQUOTE", "JSON_VALID", "JSON_VALUE",
	"KDF",
	"LAG", "LAST_DAY", "LAST_VALUE", "LCASE", "LEAD", "LEAST", "LEFT", "LENGTH", "LENGTHB",
	"LINEFROMTEXT", "LINEFROMWKB", "LINESTRING", "LINESTRINGFROMTEXT", "LINESTRINGFROMWKB",
	"LN", "LOCALTIME", "LOCALTIMESTAMP", "LOCATE", "LOG", "LOG10", "LOG2", "LOWER", "LPAD",
	"LPAD_ORACLE", "LTRIM", "LTRIM_ORACLE",
	"MAKEDATE", "MAKETIME", "MAKE_SET", "MAX", "MBRCONTAINS", "MBRCOVEREDBY", "MBRCOVERS",
	"MBRDISJOINT", "MBREQUAL", "MBREQUALS", "MBRINTERSECTS", "MBROVERLAPS", "MBRTOUCHES",
	"MBRWITHIN", "MD5", "MEDIAN", "MICROSECOND", "MID", "MIN", "MINUTE", "MLINEFROMTEXT",
	"MLINEFROMWKB", "MOD", "MONTH", "MONTHNAME", "MPOINTFROMTEXT", "MPOINTFROMWKB",
	"MPOLYFROMTEXT", "MPOLYFROMWKB", "MULTILINESTRING", "MULTILINESTRINGFROMTEXT",
	"MULTILINESTRINGFROMWKB", "MULTIPOINT", "MULTIPOINTFROMTEXT", "MULTIPOINTFROMWKB",
	"MULTIPOLYGON", "MULTIPOLYGONFROMTEXT", "MULTIPOLYGONFROMWKB",
	"NAME_CONST", "NATURAL_SORT_KEY", "NOW", "NTH_VALUE", "NTILE", "NULLIF", "NUMGEOMETRIES",
	"NUMINTERIORRINGS", "NUMPOINTS", "NVL", "NVL2",
	"OCT", "OCTET_LENGTH", "ORD",
	"PERCENTILE_CONT", "PERCENTILE_DISC", "PERCENT_RANK", "PERIOD_ADD", "PERIOD_DIFF", "PI",
	"POINT", "POINTFROMTEXT", "POINTFROMWKB", "POINTN", "POINTONSURFACE", "POLYFROMTEXT",
	"POLYFROMWKB", "POLYGON", "POLYGONFROMTEXT", "POLYGONFROMWKB", "POSITION", "POW", "POWER",
	"QUARTER", "QUOTE",
	"RADIANS", "RAND", "RANDOM_BYTES", "RANK", "REGEXP_INSTR", "REGEXP_LIKE", "REGEXP_REPLACE",
	"REGEXP_SUBSTR", "REPEAT", "REPLACE", "REPLACE_ORACLE", "REVERSE", "RIGHT", "ROUND",
	"ROWNUM", "ROW_NUMBER", "RPAD", "RPAD_ORACLE", "RTRIM", "RTRIM_ORACLE",
	"SCHEMA", "SCHEMAS", "SECOND", "SEC_TO_TIME", "SESSION_USER", "SFORMAT", "SHA", "SHA1",
	"SHA2", "SIGN", "SIN", "SLEEP", "SOUNDEX", "SPACE", "SQRT", "STARTPOINT",
	"STATEMENT_DIGEST", "STATEMENT_DIGEST_TEXT", "STD", "STDDEV", "STDDEV_POP", "STDDEV_SAMP",
	"STRCMP", "STRING_TO_VECTOR", "STR_TO_DATE", "ST_AREA", "ST_ASBINARY", "ST_ASGEOJSON",
	"ST_ASTEXT", "ST_ASWKB", "ST_ASWKT", "ST_BOUNDARY", "ST_BUFFER", "ST_BUFFER_STRATEGY",
	"ST_CENTROID", "ST_COLLECT", "ST_CONTAINS", "ST_CONVEXHULL", "ST_CROSSES", "ST_DIFFERENCE",
	"ST_DIMENSION", "ST_DISJOINT", "ST_DISTANCE", "ST_DISTANCE_SPHERE", "ST_ENDPOINT",
	"ST_ENVELOPE", "ST_EQUALS", "ST_EXTERIORRING", "ST_FRECHETDISTANCE", "ST_GEOHASH",
	"ST_GEOMCOLLFROMTEXT", "ST_GEOMCOLLFROMTXT", "ST_GEOMCOLLFROMWKB",
	"ST_GEOMETRYCOLLECTIONFROMTEXT", "ST_GEOMETRYCOLLECTIONFROMWKB", "ST_GEOMETRYFROMTEXT",
	"ST_GEOMETRYFROMWKB", "ST_GEOMETRYN", "ST_GEOMETRYTYPE", "ST_GEOMFROMGEOJSON",
	"ST_GEOMFROMTEXT", "ST_GEOMFROMWKB", "ST_HAUSDORFFDISTANCE", "ST_INTERIORRINGN",
	"ST_INTERSECTION", "ST_INTERSECTS", "ST_ISCLOSED", "ST_ISEMPTY", "ST_ISRING", "ST_ISSIMPLE",
	"ST_ISVALID", "ST_LATFROMGEOHASH", "ST_LATITUDE", "ST_LENGTH", "ST_LINEFROMTEXT",
	"ST_LINEFROMWKB", "ST_LINEINTERPOLATEPOINT", "ST_LINEINTERPOLATEPOINTS",
	"ST_LINESTRINGFROMTEXT", "ST_LINESTRINGFROMWKB", "ST_LONGFROMGEOHASH", "ST_LONGITUDE",
	"ST_MAKEENVELOPE", "ST_MLINEFROMTEXT", "ST_MLINEFROMWKB", "ST_MPOINTFROMTEXT",
	"ST_MPOINTFROMWKB", "ST_MPOLYFROMTEXT", "ST_MPOLYFROMWKB", "ST_MULTILINESTRINGFROMTEXT",
	"ST_MULTILINESTRINGFROMWKB", "ST_MULTIPOINTFROMTEXT", "ST_MULTIPOINTFROMWKB",
	"ST_MULTIPOLYGONFROMTEXT", "ST_MULTIPOLYGONFROMWKB", "ST_NUMGEOMETRIES",
	"ST_NUMINTERIORRING", "ST_NUMINTERIORRINGS", "ST_NUMPOINTS", "ST_OVERLAPS",
	"ST_POINTATDISTANCE", "ST_POINTFROMGEOHASH", "ST_POINTFROMTEXT", "ST_POINTFROMWKB",
	"ST_POINTN", "ST_POINTONSURFACE", "ST_POLYFROMTEXT", "ST_POLYFROMWKB", "ST_POLYGONFROMTEXT",
	"ST_POLYGONFROMWKB", "ST_RELATE", "ST_SIMPLIFY", "ST_SRID", "ST_STARTPOINT", "ST_SWAPXY",
	"ST_SYMDIFFERENCE", "ST_TOUCHES", "ST_TRANSFORM", "ST_UNION", "ST_VALIDATE", "ST_WITHIN",
	"ST_X", "ST_Y", "SUBDATE", "SUBSTR", "SUBSTRING", "SUBSTRING_INDEX", "SUBSTR_ORACLE",
	"SUBTIME", "SUM", "SYSDATE", "SYSTEM_USER", "SYS_GUID",
	"TAN", "TIME", "TIMEDIFF", "TIMESTAMP", "TIMESTAMPADD", "TIMESTAMPDIFF", "TIME_FORMAT",
	"TIME_TO_SEC", "TO_BASE64", "TO_CHAR", "TO_DAYS", "TO_SECONDS", "TO_VECTOR", "TRIM",
	"TRIM_ORACLE", "TRUNCATE",
	"UCASE", "UNCOMPRESS", "UNCOMPRESSED_LENGTH", "UNHEX", "UNIX_TIMESTAMP", "UPDATEXML",
	"UPPER", "USER", "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP", "UUID", "UUID_SHORT",
	"UUID_TO_BIN", "UUID_V4", "UUID_V7",
	"VALIDATE_PASSWORD_STRENGTH", "VARIANCE", "VAR_POP", "VAR_SAMP", "VECTOR_DIM",
	"VECTOR_TO_STRING", "VEC_DISTANCE", "VEC_DISTANCE_COSINE", "VEC_DISTANCE_EUCLIDEAN",
	"VEC_FROMTEXT", "VEC_TOTEXT", "VERSION",
	"WEEK", "WEEKDAY", "WEEKOFYEAR", "WEIGHT_STRING",
	"YEAR", "YEARWEEK",
};
/* clang-format on */

static const struct {
	const char *name;
	enum sp_func func;
} special[] = {
	{ "LAST_INSERT_ID", SP_FUNC_LAST_INSERT_ID },
	{ "FOUND_ROWS", SP_FUNC_FOUND_ROWS },
	{ "ROW_COUNT", SP_FUNC_ROW_COUNT },
	{ "CONNECTION_ID", SP_FUNC_CONNECTION_ID },
	{ "GET_LOCK", SP_FUNC_GET_LOCK },
	{ "RELEASE_LOCK", SP_FUNC_RELEASE_LOCK },
	{ "RELEASE_ALL_LOCKS", SP_FUNC_RELEASE_ALL_LOCKS },
	{ "NEXTVAL", SP_FUNC_NEXTVAL },
	{ "LASTVAL", SP_FUNC_PRIMARY },
	{ "SETVAL", SP_FUNC_PRIMARY },
	{ "IS_FREE_LOCK", SP_FUNC_PRIMARY },
	{ "IS_USED_LOCK", SP_FUNC_PRIMARY },
	{ "LOAD_FILE", SP_FUNC_PRIMARY },
	{ "BINLOG_GTID_POS", SP_FUNC_PRIMARY },
	{ "MASTER_POS_WAIT", SP_FUNC_PRIMARY },
	{ "SOURCE_POS_WAIT", SP_FUNC_PRIMARY },
	{ "MASTER_GTID_WAIT", SP_FUNC_PRIMARY },
	{ "WAIT_FOR_EXECUTED_GTID_SET", SP_FUNC_PRIMARY },
	{ "WAIT_UNTIL_SQL_THREAD_AFTER_GTIDS", SP_FUNC_PRIMARY },
	{ "WSREP_LAST_SEEN_GTID", SP_FUNC_PRIMARY },
	{ "WSREP_LAST_WRITTEN_GTID", SP_FUNC_PRIMARY },
	{ "WSREP_SYNC_WAIT_UPTO_GTID", SP_FUNC_PRIMARY },
	{ "PS_CURRENT_THREAD_ID", SP_FUNC_PRIMARY },
	{ "PS_THREAD_ID", SP_FUNC_PRIMARY },
};

static char capital(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

bool sp_word_is(const char *at, size_t len, const char *want)
{
	for (size_t i = 0; i < len; i++)
		if (want[i] == '\0' || capital(at[i]) != want[i])
			return false;
	return want[len] == '\0';
}

static bool is_plain(const char *name)
{
	size_t low = 0, high = sizeof plain / sizeof plain[0];

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = name[0] - plain[mid][0]; /* mostly enough, and no call */
		if (order == 0)
			order = strcmp(name, plain[mid]);
		if (order == 0)
			return true;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

const char *sp_func_name(size_t i)
{
	return i < sizeof plain / sizeof plain[0] ? plain[i] : NULL;
}

enum sp_func sp_func_find(const char *at, size_t len)
{
	char name[NAME_MAX_LEN + 1];

	if (len <= NAME_MAX_LEN) {
		for (size_t i = 0; i < len; i++)
			name[i] = capital(at[i]);
		name[len] = '\0';
		if (is_plain(name))
			return SP_FUNC_PLAIN;
	}
	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
		if (sp_word_is(at, len, special[i].name))
			return special[i].func;
	return SP_FUNC_UNKNOWN;
}
