package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
)

// What the shop has; a test of the shop holds it to this.
const products = 60

// words are what customers search for. Not all of them are found.
var words = []string{"oak", "walnut", "steel", "table", "lamp", "chair", "mirror", "piano"}

// settleRequests is how many requests lie between those that build on each other, such as
// filling a cart and paying for it. At an ordinary rate the first is answered by then.
const settleRequests = 50

// remembered bounds how many carts and orders the mix can come back to.
const remembered = 256

// Request is one request of the mix.
type Request struct {
	Method string
	Path   string // with its query
	Body   string // JSON, empty for GET
	// TraceParent is the header of that name. One request in ten is sampled.
	TraceParent string
}

// Mix makes the requests of a number of customers. The same seed and prefix make the same
// requests. It is not safe for concurrent use.
type Mix struct {
	rng    *rand.Rand
	prefix string
	n      int // requests so far
	ids    int // carts so far
	carts  []visit
	orders []visit
}

// visit is a cart or an order and the request that made it.
type visit struct {
	id string
	at int
}

// NewMix makes a mix. The prefix begins the names of carts and orders: two runs against one
// shop must not share it, or the second would find its orders placed already.
func NewMix(seed uint64, prefix string) *Mix {
	return &Mix{rng: rand.New(rand.NewPCG(seed, 0)), prefix: prefix}
}

// Next returns the next request: out of a hundred about 55 look at a product, 15 search, 12
// fill a cart, 10 pay and 8 look after an order.
func (m *Mix) Next() Request {
	r := m.next()
	r.TraceParent = m.traceParent()
	m.n++
	return r
}

func (m *Mix) next() Request {
	switch n := m.rng.IntN(100); {
	case n < 55:
		return m.look()
	case n < 70:
		return m.search()
	case n < 82:
		return m.fillCart()
	case n < 92:
		return m.pay()
	default:
		return m.lookAfterOrder()
	}
}

// look asks for a product that does not exist once in a hundred times.
func (m *Mix) look() Request {
	if m.rng.IntN(100) == 0 {
		return get("/products/p-999")
	}
	return get("/products/" + m.product())
}

func (m *Mix) search() Request {
	q := words[m.rng.IntN(len(words))] + " " + words[m.rng.IntN(len(words))]
	return get("/search?" + url.Values{"q": {q}}.Encode())
}

func (m *Mix) fillCart() Request {
	cart := fmt.Sprintf("%s-%d", m.prefix, m.ids)
	m.ids++
	m.carts = remember(m.carts, visit{cart, m.n})
	return post("/cart", `{"cart":%q,"product":%q,"quantity":%d}`, cart, m.product(), 1+m.rng.IntN(3))
}

// pay takes the oldest cart that is ready. While there is none it fills another.
func (m *Mix) pay() Request {
	if len(m.carts) == 0 || m.n-m.carts[0].at < settleRequests {
		return m.fillCart()
	}
	cart := m.carts[0].id
	m.carts = m.carts[1:]
	m.orders = remember(m.orders, visit{cart, m.n})
	return post("/checkout", `{"cart":%q,"order":%q}`, cart, cart)
}

// lookAfterOrder takes any order that is ready. While there is none it looks at a product.
func (m *Mix) lookAfterOrder() Request {
	ready := 0
	for ready < len(m.orders) && m.n-m.orders[ready].at >= settleRequests {
		ready++
	}
	if ready == 0 {
		return m.look()
	}
	return get("/orders/" + m.orders[m.rng.IntN(ready)].id)
}

// product draws one; the first ones are much more popular than the last.
func (m *Mix) product() string {
	n := int(math.Pow(m.rng.Float64(), 2) * products)
	return fmt.Sprintf("p-%03d", n+1)
}

func (m *Mix) traceParent() string {
	flags := 0
	if m.rng.IntN(10) == 0 {
		flags = 1
	}
	return fmt.Sprintf("00-%016x%016x-%016x-%02x", m.rng.Uint64(), m.rng.Uint64(), m.rng.Uint64()|1, flags)
}

func remember(visits []visit, v visit) []visit {
	if len(visits) == remembered {
		visits = visits[1:]
	}
	return append(visits, v)
}

func get(path string) Request { return Request{Method: "GET", Path: path} }

func post(path, body string, args ...any) Request {
	return Request{Method: "POST", Path: path, Body: fmt.Sprintf(body, args...)}
}
