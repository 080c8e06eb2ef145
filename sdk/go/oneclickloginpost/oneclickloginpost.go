// Package oneclickloginpost is told of users who were logged in elsewhere by one click.
package oneclickloginpost

type Handler func(token, username, name string) error

var handler Handler

// Handle says which function is told; call it in an `init` function.
func Handle(function Handler) { handler = function }
