// Package markup writes the blocks of a notice in what a provider shows as text with headings, links and code. Each form
// escapes every text of a notice for itself: whatever a label or a command line says, it is shown, and it is neither a
// heading, nor a link, nor a picture, nor does it call anybody.
package markup
