"""Pages about keys: the list, one key, and every page that makes or changes one."""
