// Package postaction is told of a file operation that was done, or failed.
package postaction

import (
	"tidegate/hook"
)

type Handler func(action hook.FileAction) error

var handler Handler

// Handle says which function is told; call it in an `init` function.
func Handle(function Handler) { handler = function }
