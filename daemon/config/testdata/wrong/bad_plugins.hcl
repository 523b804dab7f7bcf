plugin "broken" {}
plugin "reserved" {}
