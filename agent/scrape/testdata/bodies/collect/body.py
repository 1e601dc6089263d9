# Writes what Python's prometheus_client exposes of a small service, twice.
import random, sys, time
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary, exposition
from prometheus_client import gc_collector, platform_collector, process_collector
from prometheus_client.openmetrics import exposition as openmetrics

r = CollectorRegistry()
process_collector.ProcessCollector(registry=r)
platform_collector.PlatformCollector(registry=r)
gc_collector.GCCollector(registry=r)
requests = Counter('http_requests', 'Requests by handler.\nOne line \\ more.', ['handler', 'code'], registry=r)
latency = Histogram('http_request_duration_seconds', 'Latency.', ['handler'], registry=r)
size = Summary('payload_bytes', 'Payload.', ['path'], registry=r)
Info('build', 'Build.', registry=r).info({'version': '1.0', 'quote': 'a "b" \\ c'})
state = Enum('loop_state', 'State.', states=['idle', 'busy', 'stuck'], registry=r)
odd = Gauge('odd_values', 'Special values.', ['kind'], registry=r)
lag = Gauge('loop_lag_seconds', 'Lag of the loop.', unit='seconds', registry=r)
rng = random.Random(1)
for n in (1, 2):
    for _ in range(300):
        h = rng.choice(['/', '/login', '/cart/{id}', '/naïve'])
        requests.labels(h, rng.choice(['200', '404'])).inc(exemplar={'trace_id': '%032x' % rng.getrandbits(128)})
        latency.labels(h).observe(rng.expovariate(20), exemplar={'trace_id': '%032x' % rng.getrandbits(128)})
        size.labels('C:\\data\\"%d"' % rng.randrange(3)).observe(rng.random() * 1e7)
    state.state(['busy', 'idle'][n - 1])
    odd.labels('nan').set(float('nan'))
    odd.labels('inf').set(float('inf'))
    odd.labels('neg').set(-float('inf'))
    odd.labels('tiny').set(5e-324 * n)
    odd.labels('big').set(1.7976931348623157e308)
    lag.set(rng.random() / 1000)
    open('%s/python-%d.txt' % (sys.argv[1], n), 'wb').write(exposition.generate_latest(r))
    open('%s/python-%d.om' % (sys.argv[1], n), 'wb').write(openmetrics.generate_latest(r))
    time.sleep(.3)
