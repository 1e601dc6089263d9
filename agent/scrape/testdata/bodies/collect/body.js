// Writes what Node's prom-client exposes of a small service, twice.
const fs = require('fs'), c = require('prom-client');
async function write(kind, suffix) {
  const r = new c.Registry(kind);
  c.collectDefaultMetrics({ register: r });
  const om = suffix === 'om';
  const n = new c.Counter({ name: 'http_requests_total', help: 'Requests.', labelNames: ['route', 'code'], registers: [r], enableExemplars: om });
  const h = new c.Histogram({ name: 'http_request_duration_seconds', help: 'Latency.', labelNames: ['route'], registers: [r], enableExemplars: om });
  for (let i = 1; i <= 2; i++) {
    for (let k = 0; k < 200; k++) {
      const route = ['/', '/cart', '/item/:id'][k % 3];
      const exemplarLabels = { traceId: (k * 7919 * i).toString(16).padStart(32, '0') };
      if (om) { n.inc({ labels: { route, code: k % 7 ? '200' : '500' }, exemplarLabels }); h.observe({ labels: { route }, value: (k * 7919 % 1000) / 900, exemplarLabels }); }
      else { n.inc({ route, code: k % 7 ? '200' : '500' }); h.observe({ route }, (k * 7919 % 1000) / 900); }
    }
    await new Promise(f => setTimeout(f, 200));
    fs.writeFileSync(`${process.argv[2]}/node-${i}.${suffix}`, await r.metrics());
  }
}
(async () => { await write(c.Registry.PROMETHEUS_CONTENT_TYPE, 'txt'); await write(c.Registry.OPENMETRICS_CONTENT_TYPE, 'om'); process.exit(0); })();
