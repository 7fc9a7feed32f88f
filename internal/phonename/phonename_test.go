package phonename

import "testing"

func TestNames(t *testing.T) {
	tests := []struct {
		name, text string
		is, begins bool
	}{
		{"Anna’s iPhone", "Anna’s iPhone", true, true},
		{"Anna’s iPhone", "anna's iphone", true, true},
		{"Anna's iPhone", "Anna’s iPhone", true, true},
		{"iPhone\u00a0von Ömer", "iphone von ömer", true, true},
		{"Anna’s iPhone", "Anna", false, true},
		{"Anna’s iPhone", "anna's", false, true},
		{"Anna’s iPhone", "An", false, false},
		{"Anna’s iPhone", "Anna’s iPhone 2", false, false},
		{"Annabel", "Anna", false, false},
		{"iPhone 12", "iPhone 1", false, false},
		{"Anna’s iPhone", "", false, false},
		{"", "", true, false},
		{"", "Anna", false, false},
		{"Anna\xff", "Anna\xff", true, true},
	}
	for _, tt := range tests {
		if is, begins := Is(tt.name, tt.text), Begins(tt.name, tt.text); is != tt.is || begins != tt.begins {
			t.Errorf("%q of %q: is %v, begins %v; want %v, %v", tt.text, tt.name, is, begins, tt.is, tt.begins)
		}
	}
}
