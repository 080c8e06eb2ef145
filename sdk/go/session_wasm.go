package hook

import (
	"strings"
	"time"

	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
)

type session struct{ handle *bindings.Session }

func (self *session) ID() string {
	return strings.Clone(self.handle.Id())
}

func (self *session) Connection() Connection {
	return keepConnection(self.handle.Connection())
}

func (self *session) Account() Account {
	return keepAccount(self.handle.Account())
}

func (self *session) Username() string {
	return strings.Clone(self.handle.Username())
}

func (self *session) Method() LoginMethod {
	return loginMethodOf(self.handle.Method())
}

func (self *session) OpenedAt() time.Time {
	return timeOf(self.handle.OpenedAt())
}

func (self *session) BytesReceived() uint64 {
	return self.handle.BytesReceived()
}

func (self *session) BytesSent() uint64 {
	return self.handle.BytesSent()
}
