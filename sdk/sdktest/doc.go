// Package sdktest helps the author of a plugin to test it.
//
//   - Recorder is an sdk.Emitter that keeps points, for a test of one function.
//   - Start runs a plugin within the test over real gRPC and plays the daemon: it configures the plugin, acknowledges its
//     points and stops it. In a bubble of testing/synctest the plugin's clock is the test's.
//   - Golden compares points with a file.
//   - Conform runs a plugin's program, in whatever language it is written, and examines whether it keeps the contract;
//     `vedette plugin test` prints the same as a table.
package sdktest
