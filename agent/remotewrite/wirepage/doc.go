// Package wirepage compiles bytes of which a few change from time to time into a piece of a
// snappy block in which those few can be patched, so that the others are compressed once.
//
// What changes are values, of eight bytes each, and times, which are the same in all places of
// a page. A value is always a literal that no copy refers to. A time is a literal once and
// elsewhere a copy of a time. No copy reaches back beyond the beginning of its page, so that
// pages make a block in any order, behind the length of all of them:
//
//	block = binary.AppendUvarint(block, uint64(first.Len()+second.Len()))
//	block = first.Append(block, values1, time)
//	block = second.Append(block, values2, time)
//
// The package knows nothing of what the bytes mean.
package wirepage
