// Package types holds the Go forms of the contract's option, result and tuple.
package types

const (
	OptionNone uint8 = 0
	OptionSome uint8 = 1
	ResultOk   uint8 = 0
	ResultErr  uint8 = 1
)

type Unit struct{}

type Tuple2[A, B any] struct {
	F0 A
	F1 B
}

type Option[T any] struct {
	present bool
	value   T
}

func None[T any]() Option[T]        { return Option[T]{} }
func Some[T any](value T) Option[T] { return Option[T]{true, value} }
func (o Option[T]) Get() (T, bool)  { return o.value, o.present }
func (o Option[T]) SomeOr(other T) T {
	if o.present {
		return o.value
	}
	return other
}

func (o Option[T]) Tag() uint8 {
	if o.present {
		return OptionSome
	}
	return OptionNone
}

func (o Option[T]) Some() T {
	if !o.present {
		panic("there is no value")
	}
	return o.value
}

type Result[T, E any] struct {
	failed bool
	value  T
	err    E
}

func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{value: value} }
func Err[T, E any](err E) Result[T, E]  { return Result[T, E]{failed: true, err: err} }

func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

func (r Result[T, E]) Ok() T {
	if r.failed {
		panic("there is no result")
	}
	return r.value
}

func (r Result[T, E]) Err() E {
	if !r.failed {
		panic("there is no error")
	}
	return r.err
}
