// Package supervisor runs plugins as processes of their own: it reads their manifests, launches them, speaks the
// session with them, notices when they end or hang, starts them again, and drains them before it stops them.
//
// What it promises: no output of a plugin, on whatever channel, blocks the plugin or harms the daemon; a plugin that
// fails again and again does not become a hot loop; a stop takes a bounded time; and nothing that a plugin started in
// its process group is left behind. What it leaves to others: where the points of a plugin go (Intake), and what a
// configuration means (the plugin).
package supervisor
