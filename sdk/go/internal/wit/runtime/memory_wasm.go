package runtime

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"unsafe"
)

// While the server asks for memory, the plugin may not call it back, and Go's garbage collector would: it
// reads the clock. So what the server writes goes into an area that Go does not manage, and the
// collector runs only where it is told to, at the end of a call.
var (
	area     [512 << 10]byte
	used     uintptr
	kept     uintptr
	started  bool
	overflow [][]byte
	heap     = []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
)

// So much may pile up before the collector runs; a plugin has 64 MiB unless its operator gives it more.
const tolerated = 8 << 20

func init() {
	debug.SetGCPercent(-1)
	started = true
}

//go:wasmexport cabi_realloc
func allocateForServer(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	base := uintptr(unsafe.Pointer(&area))
	start := (base+used+align-1)&^(align-1) - base
	if start+size <= uintptr(len(area)) {
		used = start + size
		if !started {
			// The adapter for WASI keeps its state here, before Go runs.
			kept = used
		}
		return unsafe.Pointer(uintptr(unsafe.Pointer(&area)) + start)
	}
	block := make([]byte, size+align)
	overflow = append(overflow, block)
	address := uintptr(unsafe.Pointer(unsafe.SliceData(block)))
	return unsafe.Pointer((address + align - 1) &^ (align - 1))
}

// Unpin is called by generated code once it has read arguments; they live until Reset.
func Unpin() {}

// EndCall is for the end of a hook, while the plugin may still call the server.
func EndCall() {
	if metrics.Read(heap); heap[0].Value.Uint64() > tolerated {
		runtime.GC()
	}
}

// Reset wipes what the server handed over: passwords may be among it.
func Reset() {
	clear(area[kept:used])
	used = kept
	overflow = nil
}
