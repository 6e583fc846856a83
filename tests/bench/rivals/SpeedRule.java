// The plain speed rule on Kafka Streams: its state in a memory store with a changelog topic, as it comes.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.OffsetDateTime;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

public final class SpeedRule {
  private static final String STORE = "last";
  private static final int ROWS = Integer.parseInt(System.getenv("RIVAL_ROWS"));
  private static final AtomicLong seen = new AtomicLong();
  private static final AtomicLong alerts = new AtomicLong();
  private static final OperatingSystemMXBean process =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  private static volatile long began;
  private static volatile long cpu;
  private static volatile long halfAt;

  /** A card's last believed sighting: milliseconds, latitude, longitude, in 24 bytes. */
  private static final class Judge implements Processor<String, byte[], String, byte[]> {
    private final ObjectMapper json = new ObjectMapper();
    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<String, byte[]> store;

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
      this.context = context;
      this.store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, byte[]> record) {
      long number = seen.incrementAndGet();
      if (number == 1) {
        began = System.nanoTime();
        cpu = process.getProcessCpuTime();
      } else if (number == ROWS / 2) {
        halfAt = System.nanoTime();
      }
      try {
        JsonNode payment = json.readTree(record.value());
        String card = payment.get("card_id").textValue();
        JsonNode place = payment.get("location");
        double lat = place.get("lat").doubleValue();
        double lon = place.get("lon").doubleValue();
        long at = OffsetDateTime.parse(payment.get("occurred_at").textValue()).toInstant().toEpochMilli();
        byte[] last = store.get(card);
        if (last != null && impossible(ByteBuffer.wrap(last), at, lat, lon)) {
          alerts.incrementAndGet();
          byte[] alert = json.writeValueAsBytes(
              json.createObjectNode()
                  .put("card_id", card)
                  .put("transaction_id", payment.get("transaction_id").textValue()));
          context.forward(record.withValue(alert));
        } else {
          store.put(card, ByteBuffer.allocate(24).putLong(at).putDouble(lat).putDouble(lon).array());
        }
      } catch (java.io.IOException error) {
        throw new IllegalStateException(error);
      }
      if (number == ROWS) {
        tell();
      }
    }

    private static boolean impossible(ByteBuffer last, long at, double lat, double lon) {
      long lastAt = last.getLong();
      double lastLat = last.getDouble();
      double lastLon = last.getDouble();
      if (Math.abs(lat - lastLat) < 0.5 && Math.abs(lon - lastLon) < 0.5) {
        return false;
      }
      double one = Math.toRadians(lastLat);
      double other = Math.toRadians(lat);
      double half =
          Math.pow(Math.sin((other - one) / 2), 2)
              + Math.cos(one) * Math.cos(other) * Math.pow(Math.sin(Math.toRadians(lon - lastLon) / 2), 2);
      double km = 2 * 6371.0 * Math.asin(Math.sqrt(half));
      return km >= 100.0 && km > 900.0 * Math.max(Math.abs(at - lastAt) / 1000.0, 1.0) / 3600;
    }
  }

  private static void tell() {
    long ended = System.nanoTime();
    long used = process.getProcessCpuTime() - cpu;
    try {
      Thread.sleep(200); // another thread may be in the middle of its last row

      double peak = 0;
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith("VmHWM")) {
          peak = Double.parseDouble(line.split("\\s+")[1]) / 1024;
        }
      }
      String figures =
          String.format(
              Locale.ROOT,
              "{\"rows\": %d, \"seconds\": %f, \"second_half_s\": %f, \"cpu_s\": %f, \"peak_mb\": %f, \"alerts\": %d}",
              ROWS, (ended - began) / 1e9, (ended - halfAt) / 1e9, used / 1e9, peak,
              alerts.get());
      Path told = Path.of(System.getenv("RIVAL_RESULT"));
      Path part = Path.of(told + ".part");
      Files.writeString(part, figures);
      Files.move(part, told, StandardCopyOption.ATOMIC_MOVE);
    } catch (java.io.IOException | InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("RIVAL_NAME"));
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("RIVAL_SERVERS"));
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, Path.of("state").toAbsolutePath().toString());
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
    settings.put("auto.offset.reset", "earliest");
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray()));
    builder.stream(System.getenv("RIVAL_TOPIC"), Consumed.with(Serdes.String(), Serdes.ByteArray()))
        .process(Judge::new, STORE)
        .to(System.getenv("RIVAL_ALERTS"), Produced.with(Serdes.String(), Serdes.ByteArray()));
    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
    Thread.currentThread().join();
  }
}
