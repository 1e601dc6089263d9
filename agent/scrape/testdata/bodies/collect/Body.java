// Prints the beans of this JVM as the Java clients write them: Double.toString for values, a comma
// behind the last label, and in every second body timestamps.
import java.lang.management.*;
import java.nio.file.*;

public class Body {
    static StringBuilder b;
    static String stamp;

    static void head(String name, String type, String help) {
        b.append("# HELP ").append(name).append(' ').append(help).append('\n');
        b.append("# TYPE ").append(name).append(' ').append(type).append('\n');
    }

    static void put(String name, String labels, double v) {
        b.append(name);
        if (!labels.isEmpty()) b.append('{').append(labels).append(",}");
        String s = Double.isInfinite(v) ? (v > 0 ? "+Inf" : "-Inf") : Double.toString(v);
        b.append(' ').append(s).append(stamp).append('\n');
    }

    public static void main(String[] args) throws Exception {
        for (int n = 1; n <= 3; n++) {
            byte[][] junk = new byte[100 * n][];
            for (int i = 0; i < junk.length; i++) junk[i] = new byte[200_000];
            if (n == 2) System.gc();
            for (String kind : new String[] {"java", "java-stamped"}) {
                b = new StringBuilder();
                stamp = kind.equals("java") ? "" : " " + System.currentTimeMillis();
                body(n);
                Files.writeString(Path.of(args[0] + "/" + kind + "-" + n + ".txt"), b.toString());
            }
        }
    }

    static void body(int n) {
        head("jvm_memory_pool_bytes_used", "gauge", "Used bytes of a given JVM memory pool.");
        for (MemoryPoolMXBean p : ManagementFactory.getMemoryPoolMXBeans()) put("jvm_memory_pool_bytes_used", "pool=\"" + p.getName() + "\"", p.getUsage().getUsed());
        head("jvm_memory_pool_bytes_committed", "gauge", "Committed bytes of a given JVM memory pool.");
        for (MemoryPoolMXBean p : ManagementFactory.getMemoryPoolMXBeans()) put("jvm_memory_pool_bytes_committed", "pool=\"" + p.getName() + "\"", p.getUsage().getCommitted());
        head("jvm_memory_pool_bytes_max", "gauge", "Max bytes of a given JVM memory pool.");
        for (MemoryPoolMXBean p : ManagementFactory.getMemoryPoolMXBeans()) put("jvm_memory_pool_bytes_max", "pool=\"" + p.getName() + "\"", p.getUsage().getMax());
        head("jvm_gc_collection_seconds", "summary", "Time spent in a given JVM garbage collector in seconds.");
        for (GarbageCollectorMXBean g : ManagementFactory.getGarbageCollectorMXBeans()) {
            put("jvm_gc_collection_seconds_count", "gc=\"" + g.getName() + "\"", g.getCollectionCount());
            put("jvm_gc_collection_seconds_sum", "gc=\"" + g.getName() + "\"", g.getCollectionTime() / 1e3);
        }
        ThreadMXBean t = ManagementFactory.getThreadMXBean();
        head("jvm_threads_state", "gauge", "Current count of threads by state");
        for (Thread.State s : Thread.State.values()) {
            int k = 0;
            for (ThreadInfo i : t.getThreadInfo(t.getAllThreadIds())) if (i != null && i.getThreadState() == s) k++;
            put("jvm_threads_state", "state=\"" + s + "\"", k);
        }
        head("jvm_thread_cpu_seconds_total", "counter", "CPU time of each thread.");
        for (long id : t.getAllThreadIds()) if (t.getThreadInfo(id) != null) put("jvm_thread_cpu_seconds_total", "id=\"" + id + "\",name=\"" + t.getThreadInfo(id).getThreadName() + "\"", t.getThreadCpuTime(id) / 1e9);
        RuntimeMXBean r = ManagementFactory.getRuntimeMXBean();
        head("jvm_info", "gauge", "VM version info");
        put("jvm_info", "runtime=\"" + r.getVmName() + "\",vendor=\"" + r.getVmVendor() + "\",version=\"" + r.getVmVersion() + "\"", 1);
        head("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.");
        put("process_start_time_seconds", "", r.getStartTime() / 1e3);
        head("jvm_classes_currently_loaded", "gauge", "The number of classes that are currently loaded in the JVM");
        put("jvm_classes_currently_loaded", "", ManagementFactory.getClassLoadingMXBean().getLoadedClassCount());
        head("java_lang_operatingsystem_systemcpuload", "untyped", "(java.lang<type=OperatingSystem><>SystemCpuLoad)");
        put("java_lang_operatingsystem_systemcpuload", "", ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getCpuLoad());
        head("kafka_consumer_lag", "gauge", "Attribute exposed for management kafka.consumer:name=null,attribute=lag");
        for (int p = 0; p < 12; p++) put("kafka_consumer_lag", "client_id=\"c-" + p + "\",path=\"C:\\\\logs\\\\\\\"" + p + "\\\"\"", p % 4 == 0 ? Double.NaN : p * 1e9 * n);
        head("pool_limit", "gauge", "Special values.");
        put("pool_limit", "pool=\"unbounded\"", Double.POSITIVE_INFINITY);
        put("pool_limit", "pool=\"empty\"", Double.NEGATIVE_INFINITY);
        put("pool_limit", "pool=\"tiny\"", Double.MIN_VALUE);
        put("pool_limit", "pool=\"zero\"", -0.0);
    }
}
