token = "hush
block {}
