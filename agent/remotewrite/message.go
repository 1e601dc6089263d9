package remotewrite

// message is one of the two protobuf messages of remote write.
type message uint8

const (
	v1 message = iota + 1
	v2
)

// messageOf reads the protobuf_message of a configuration; empty means 1.0.
func messageOf(name string) (message, bool) {
	switch name {
	case MessageV1, "":
		return v1, true
	case MessageV2:
		return v2, true
	}
	return 0, false
}

func (m message) String() string {
	if m == v2 {
		return MessageV2
	}
	return MessageV1
}

// contentType is what the specifications ask for. That of 1.0 goes without a parameter, since
// there are receivers that compare it whole.
func (m message) contentType() string {
	if m == v2 {
		return "application/x-protobuf;proto=" + MessageV2
	}
	return "application/x-protobuf"
}

// version is the value of X-Prometheus-Remote-Write-Version.
func (m message) version() string {
	if m == v2 {
		return "2.0.0"
	}
	return "0.1.0"
}

// The field numbers that are the same for a kind of thing in one message and differ between
// the two.
const (
	fieldV1Series     = 1
	fieldV1Labels     = 1
	fieldV1Samples    = 2
	fieldV1Exemplars  = 3
	fieldV1Histograms = 4

	fieldV2Symbols    = 4
	fieldV2Series     = 5
	fieldV2LabelRefs  = 1
	fieldV2Samples    = 2
	fieldV2Histograms = 3
	fieldV2Exemplars  = 4
	fieldV2Metadata   = 5

	fieldLabelName  = 1
	fieldLabelValue = 2

	fieldSampleValue = 1
	fieldSampleTime  = 2

	fieldExemplarLabels = 1
	fieldExemplarValue  = 2
	fieldExemplarTime   = 3

	fieldMetadataType = 1
	fieldMetadataHelp = 3
	fieldMetadataUnit = 4
)
