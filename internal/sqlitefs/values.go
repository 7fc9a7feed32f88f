package sqlitefs

import (
	"fmt"
	"math"
	"strconv"
)

// Text takes a value of any type as text: a blob's bytes, a number's digits. Valid
// is false for NULL.
type Text struct {
	String string
	Valid  bool
}

// Scan implements sql.Scanner.
func (t *Text) Scan(v any) error {
	*t = Text{Valid: v != nil}
	switch v := v.(type) {
	case nil:
	case string:
		t.String = v
	case []byte:
		t.String = string(v)
	case int64:
		t.String = strconv.FormatInt(v, 10)
	case float64:
		t.String = strconv.FormatFloat(v, 'g', -1, 64)
	default:
		return fmt.Errorf("a value of type %T where text was expected", v)
	}
	return nil
}

// Int takes a value of any type as a whole number: text of digits too; what is none
// is 0 and not Valid.
type Int struct {
	Int   int64
	Valid bool
}

// Scan implements sql.Scanner.
func (n *Int) Scan(v any) error {
	*n = Int{}
	switch v := v.(type) {
	case nil:
	case int64:
		*n = Int{v, true}
	default:
		var r Real
		if err := r.Scan(v); err != nil {
			return err
		}
		if r.Valid && math.Abs(r.Float) < 1<<63 {
			*n = Int{int64(r.Float), true}
		}
	}
	return nil
}

// Bool tells whether the number is there and not 0.
func (n Int) Bool() bool { return n.Int != 0 }

// Real takes a value of any type as a number: text of digits too; what is none, or
// not finite, is 0 and not Valid.
type Real struct {
	Float float64
	Valid bool
}

// Scan implements sql.Scanner.
func (r *Real) Scan(v any) error {
	*r = Real{}
	switch v := v.(type) {
	case nil:
	case int64:
		*r = Real{float64(v), true}
	case float64:
		*r = Real{v, true}
	case string:
		r.parse(v)
	case []byte:
		r.parse(string(v))
	default:
		return fmt.Errorf("a value of type %T where a number was expected", v)
	}
	if math.IsNaN(r.Float) || math.IsInf(r.Float, 0) {
		*r = Real{}
	}
	return nil
}

func (r *Real) parse(s string) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		*r = Real{f, true}
	}
}

// Blob takes bytes, or text as its bytes; a number, like NULL, is none. The bytes
// are the caller's own.
type Blob []byte

// Scan implements sql.Scanner.
func (b *Blob) Scan(v any) error {
	*b = nil
	switch v := v.(type) {
	case []byte:
		*b = append(Blob{}, v...)
	case string:
		*b = Blob(v)
	}
	return nil
}
