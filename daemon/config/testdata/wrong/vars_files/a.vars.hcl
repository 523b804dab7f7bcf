ips   = "ct"
port  = "eighty"
tokn  = "hush"
token = parseint("hush", 10)
