spool {
  max_size  = "1MiB"
  min_free  = "0B"
  when_full = "drop_newest"
}

spool {}
