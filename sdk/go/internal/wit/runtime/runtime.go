// Package runtime lends memory to the server and keeps handles.
package runtime

import (
	"runtime"
	"unsafe"
)

// Handle is a number that stands for an object of the server; zero once it was given away.
type Handle struct {
	number int32
}

func MakeHandle(number int32) *Handle { return &Handle{number} }

func (h *Handle) Use() int32 {
	if h.number == 0 {
		panic("the object was given away, or the call that it belongs to is over")
	}
	return h.number
}

func (h *Handle) Take() int32 {
	number := h.Use()
	h.number = 0
	return number
}

func (h *Handle) TakeOrNil() int32 {
	number := h.number
	h.number = 0
	return number
}

func (h *Handle) Set(number int32) { h.number = number }

// Allocate makes memory for arguments, which stays where it is until the pinner lets go.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	// Eight-byte words are aligned well enough for everything in the contract.
	words := make([]uint64, (size+7)/8)
	pointer := unsafe.Pointer(unsafe.SliceData(words))
	pinner.Pin(pointer)
	return pointer
}
