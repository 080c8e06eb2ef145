// Remembers the last upload of each user.
// Hook point: post-action. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"tidegate/hook"
	"tidegate/hook/postaction"
)

func init() { postaction.Handle(acted) }

func acted(action hook.FileAction) error {
	if action.Kind() != "upload" || action.Status() != "ok" {
		return nil
	}
	return hook.Store("last/"+action.Session().Username(), []byte(action.VirtualPath()), 0)
}
