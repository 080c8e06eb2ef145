// Package startup is told that the server starts.
package startup

type Handler func(version string) error

var handler Handler

// Handle says which function is told; call it in an `init` function.
func Handle(function Handler) { handler = function }
