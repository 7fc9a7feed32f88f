package index

import (
	"math/rand/v2"
	"testing"
)

func TestSet(t *testing.T) {
	var s Set
	if s.Len() != 0 || s.Has(0) || s.Has(1<<31) {
		t.Error("the zero value is not empty")
	}
	r := rand.New(rand.NewPCG(1, 2))
	model := map[uint32]bool{}
	for round := range 3 {
		for range 5000 {
			n := r.Uint32N(20_000)
			if s.Add(n) == model[n] {
				t.Fatalf("Add(%d) says it was new: %v", n, !model[n])
			}
			model[n] = true
		}
		if s.Len() != len(model) {
			t.Errorf("%d numbers, want %d", s.Len(), len(model))
		}
		for n := range uint32(21_000) {
			if s.Has(n) != model[n] {
				t.Fatalf("round %d: Has(%d) is %v", round, n, s.Has(n))
			}
		}
		if round == 1 {
			s.Clear()
			clear(model)
			if s.Len() != 0 || s.Has(5) {
				t.Error("Clear left something")
			}
		}
	}
}
