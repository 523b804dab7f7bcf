// Package drop is the directory where the hooks of shells leave their records, whether anybody collects them or not.
//
//	u/<uid>.log             what a user's shells append to; the user can do nothing else with it
//	new/<uid>.<pid>.<name>  what shells write whose user has no such file yet; anybody can put files there
//	taken/                  such files, while they are read
//
// A user's file belongs to root, an entry of its access control list lets the user write, and its attribute "append only" lets
// nobody do more than append: not overwrite, cut, replace or delete what is written. So a record in it is of that user, or of
// root. A file in new/ counts only if it could be written by its owner alone, and is of that owner.
//
// Reading goes on where it ended. A file that has grown long is put aside, read to its end, and deleted once nobody can
// still have it open from before. When more lies unread in a user's file than may, the user is no longer let in: the disk is
// bounded, and the hooks count what they could not write.
//
// All methods are for one goroutine.
package drop
