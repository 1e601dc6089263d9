package pyroscope

import "google.golang.org/protobuf/encoding/protowire"

// Field numbers of push.v1 and types.v1.
const (
	requestSeries protowire.Number = 1

	seriesLabelPair protowire.Number = 1
	seriesSample    protowire.Number = 2

	labelName  protowire.Number = 1
	labelValue protowire.Number = 2

	sampleRawProfile protowire.Number = 1
)

// encodeHead returns all of a push.v1.PushRequest of one profile that comes before the bytes
// of the profile, which are its end. So the profile is never copied, however many
// endpoints it waits for.
func encodeHead(ls []label, profileLen int) []byte {
	var pairs []byte
	for _, l := range ls {
		var pair []byte
		pair = protowire.AppendTag(pair, labelName, protowire.BytesType)
		pair = protowire.AppendString(pair, l.name)
		pair = protowire.AppendTag(pair, labelValue, protowire.BytesType)
		pair = protowire.AppendString(pair, l.value)
		pairs = protowire.AppendTag(pairs, seriesLabelPair, protowire.BytesType)
		pairs = protowire.AppendBytes(pairs, pair)
	}
	sampleLen := protowire.SizeTag(sampleRawProfile) + protowire.SizeBytes(profileLen)
	seriesLen := len(pairs) + protowire.SizeTag(seriesSample) + protowire.SizeBytes(sampleLen)

	head := protowire.AppendTag(nil, requestSeries, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(seriesLen))
	head = append(head, pairs...)
	head = protowire.AppendTag(head, seriesSample, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(sampleLen))
	head = protowire.AppendTag(head, sampleRawProfile, protowire.BytesType)
	return protowire.AppendVarint(head, uint64(profileLen))
}
