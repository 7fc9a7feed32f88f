package api

import "strconv"

// Problem is why a request failed, as RFC 9457 draws it.
type Problem struct {
	Title  string `json:"title" doc:"What kind of failure it is; the same each time" example:"Not found"`
	Status int    `json:"status" doc:"HTTP status" example:"404"`
	Detail string `json:"detail,omitempty" doc:"What failed this time"`
	Hint   string `json:"hint,omitempty" doc:"What a person can do about it"`
	ID     string `json:"id,omitempty" doc:"Number of the entry in the service's log; only when the fault is the service's own"`
	// Fields name what of the request was wrong. Values are never repeated: they
	// may be passwords.
	Fields []Field `json:"fields,omitempty" doc:"Parts of the request that are wrong"`
}

// Field is a part of a request that is wrong.
type Field struct {
	Where string `json:"where" doc:"Such as body.every_days"`
	Text  string `json:"text"`
}

// Error is the problem as text: what failed, and which field of the request.
func (p *Problem) Error() string {
	s := p.Detail
	if s == "" {
		s = p.Title
	}
	if s == "" {
		s = "HTTP status " + strconv.Itoa(p.Status)
	}
	for _, f := range p.Fields {
		s += "; " + f.Where + ": " + f.Text
	}
	return s
}

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType makes application/problem+json of application/json.
func (p *Problem) ContentType(string) string { return ProblemType }

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"
