package hook

import (
	"strings"
	"time"

	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
)

type connection struct{ handle *bindings.Connection }

func (self *connection) ID() string {
	return strings.Clone(self.handle.Id())
}

func (self *connection) Protocol() Protocol {
	return protocolOf(self.handle.Protocol())
}

func (self *connection) RemoteIP() string {
	return strings.Clone(self.handle.RemoteIp())
}

func (self *connection) RemotePort() uint16 {
	return self.handle.RemotePort()
}

func (self *connection) LocalAddress() string {
	return strings.Clone(self.handle.LocalAddress())
}

func (self *connection) ClientSoftware() string {
	return strings.Clone(self.handle.ClientSoftware().SomeOr(""))
}

func (self *connection) OpenedAt() time.Time {
	return timeOf(self.handle.OpenedAt())
}
