package profiler

import "google.golang.org/protobuf/encoding/protowire"

// Field numbers of profile.proto that come in numbers.
const (
	profileSample   = 2
	profileMapping  = 3
	profileLocation = 4
	profileFunction = 5
	profileString   = 6

	sampleLocation = 1
	sampleValue    = 2
	sampleLabel    = 3

	locationLine = 4
)

// What the parser takes for one of each, in bytes, with its share of tables and of slices
// that grew too far. The first label of a sample costs three maps.
const (
	weightSample     = 160
	weightFrame      = 24
	weightValue      = 16
	weightLabel      = 128
	weightFirstLabel = 1024
	weightMapping    = 320
	weightLocation   = 160
	weightLine       = 64
	weightFunction   = 192
	weightString     = 32
	weightOther      = 64
)

// weigh estimates how many bytes a profile takes once it is parsed, without allocating
// any. Two bytes on the wire can become hundreds in memory, so a bound on the size of the
// body alone bounds nothing.
func weigh(raw []byte) (int64, error) {
	var total int64
	err := eachField(raw, func(num protowire.Number, val []byte) error {
		switch num {
		case profileSample:
			w, err := weighSample(val)
			total += w
			return err
		case profileLocation:
			w, err := weighLocation(val)
			total += w
			return err
		case profileMapping:
			total += weightMapping
		case profileFunction:
			total += weightFunction
		case profileString:
			total += weightString + int64(len(val))
		default:
			total += weightOther * (1 + varints(val)) // comments are packed numbers
		}
		return nil
	})
	return total, err
}

func weighSample(msg []byte) (int64, error) {
	total, labels := int64(weightSample), int64(0)
	err := eachField(msg, func(num protowire.Number, val []byte) error {
		switch num {
		case sampleLocation:
			total += weightFrame * varints(val)
		case sampleValue:
			total += weightValue * varints(val)
		case sampleLabel:
			labels++
		}
		return nil
	})
	if labels > 0 {
		total += weightFirstLabel + weightLabel*labels
	}
	return total, err
}

func weighLocation(msg []byte) (int64, error) {
	total := int64(weightLocation)
	err := eachField(msg, func(num protowire.Number, _ []byte) error {
		if num == locationLine {
			total += weightLine
		}
		return nil
	})
	return total, err
}

// eachField calls f for each field of a message. val is the content of a field that has a
// length, and nil for any other.
func eachField(msg []byte, f func(num protowire.Number, val []byte) error) error {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		var val []byte
		if typ == protowire.BytesType {
			val, n = protowire.ConsumeBytes(msg)
		} else {
			n = protowire.ConsumeFieldValue(num, typ, msg)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		if err := f(num, val); err != nil {
			return err
		}
	}
	return nil
}

// varints counts the numbers of a repeated field: many when it is packed, else one.
func varints(packed []byte) int64 {
	if packed == nil {
		return 1
	}
	n := int64(0)
	for _, b := range packed {
		if b < 0x80 {
			n++
		}
	}
	return n
}
