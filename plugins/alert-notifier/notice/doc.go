// Package notice turns a notice of the daemon's into what people read: a subject of one line, and blocks of lines, one block
// for each alert. A channel says what its blocks look like and how long they may become; Fit leaves out whole alerts, then
// shortens texts, and always says how much is missing.
//
// Every text of a notice may come from whoever is watched: host names, command lines, pages of others. So it is cleaned
// before anybody sees it, once and for all channels: what is left has no control characters, no marks that turn the
// direction of text or can not be seen, and is UTF-8. What a text means in a channel's markup is the channel's to escape.
package notice
