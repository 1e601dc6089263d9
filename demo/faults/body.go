package faults

import (
	"strconv"
)

// The series of a body. All of one body have the label target on their way out, which the
// configuration of the sidecar gives them.
const (
	seriesBody  = "campaign_body"  // the number of the body
	seriesValue = "campaign_value" // with i: some change with each body, most now and then
	seriesChurn = "campaign_churn" // with gen: gone after churnEvery bodies
)

// churnEvery is how many bodies share a shape.
const churnEvery = 25

// shape says what a target serves: for a number there is one body, so that whoever has stored
// a body can be held to it.
type shape struct {
	values int // series besides campaign_body and campaign_churn
	poison int // i of a value that the receiver refuses, and that is not owed; 0: none
}

// refuses says whether a series is the poisoned one.
func (s shape) refuses(name, label string) bool {
	return s.poison > 0 && name == seriesValue && label == strconv.Itoa(s.poison)
}

// each calls fn for the series of body n in their order, with the labels that the body gives them.
func (s shape) each(n int, fn func(name, labelName, labelValue string, v float64)) {
	fn(seriesBody, "", "", float64(n))
	for i := range s.values {
		fn(seriesValue, "i", strconv.Itoa(i), valueOf(n, i))
	}
	gen := n / churnEvery
	fn(seriesChurn, "gen", strconv.Itoa(gen), float64(gen))
}

// series is how many series a body has.
func (s shape) series() int { return s.values + 2 }

// valueOf is the value of campaign_value{i} in body n. A third changes from body to body.
func valueOf(n, i int) float64 {
	if i%3 == 0 {
		return float64(n) + float64(i)/8
	}
	return float64(n/20*1000 + i)
}

// render appends body n in the Prometheus text format.
func (s shape) render(b []byte, n int) []byte {
	family := ""
	s.each(n, func(name, labelName, labelValue string, v float64) {
		if name != family {
			family = name
			b = append(b, "# HELP "+name+" Served by the fault campaign.\n# TYPE "+name+" gauge\n"...)
		}
		b = append(b, name...)
		if labelName != "" {
			b = append(b, '{')
			b = append(b, labelName...)
			b = append(b, `="`...)
			b = append(b, labelValue...)
			b = append(b, `"}`...)
		}
		b = append(b, ' ')
		b = strconv.AppendFloat(b, v, 'g', -1, 64)
		b = append(b, '\n')
	})
	return b
}
