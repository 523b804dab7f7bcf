plugin "broken" {}
plugin "reserved" {}
plugin "badly-described" {}
plugin "king" {}
