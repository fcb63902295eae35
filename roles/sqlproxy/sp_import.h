int sp_import_main(int argc, char **argv);
