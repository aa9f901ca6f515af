// add-svc in Java: GET /api/v1/execute/?l=<int>&r=<int> answers l + r.
//
// It uses the standard library only. It contains no code for the mesh: add-svc's Envoy calls it over plain HTTP.

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

public final class AddService {
    private static final String NAME = "add-svc";
    private static final String VERSION = variable("SERVICE_VERSION", "v1");
    private static final String INSTANCE = instance();
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private static final AtomicLong REQUESTS = new AtomicLong();

    /** An error of the caller: the status and the reason. */
    private static final class Refusal extends Exception {
        final int status;

        Refusal(int status, String reason) {
            super(reason, null, false, false);
            this.status = status;
        }
    }

    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 2 || !arguments[0].equals("--listen")) {
            System.err.println("usage: AddService --listen ADDR");
            System.exit(2);
        }
        int colon = arguments[1].lastIndexOf(':');
        InetAddress host = InetAddress.getByName(arguments[1].substring(0, colon));
        int port = Integer.parseInt(arguments[1].substring(colon + 1));
        HttpServer server = HttpServer.create(new InetSocketAddress(host, port), 128);
        ExecutorService workers = Executors.newFixedThreadPool(16);
        server.setExecutor(workers);
        server.createContext("/", AddService::answer);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(1);
            log(Instant.now(), "\"event\":\"stopped\",\"requests\":" + REQUESTS);
        }));
        server.start();
        log(Instant.now(), "\"event\":\"listening\",\"address\":" + quoted(arguments[1]));
    }

    private static void answer(HttpExchange exchange) throws IOException {
        long begun = System.nanoTime();
        Instant when = Instant.now();
        REQUESTS.incrementAndGet();
        int status = 200;
        String kind = "text/plain; charset=utf-8";
        String text;
        try {
            String path = exchange.getRequestURI().getPath();
            boolean isHealth = path.equals("/health/state");
            if (!isHealth && !path.equals("/api/v1/execute/")) {
                throw new Refusal(404, "no such path: " + path.substring(0, Math.min(path.length(), 200))
                    + "; available: GET /api/v1/execute/?l=<int>&r=<int> and GET /health/state");
            }
            if (!List.of("GET", "HEAD").contains(exchange.getRequestMethod())) {
                throw new Refusal(405, "method " + exchange.getRequestMethod() + " not allowed; use GET");
            }
            if (isHealth) {
                kind = "application/json";
                text = "{\"status\":\"up\",\"service\":\"" + NAME + "\",\"instance\":" + quoted(INSTANCE)
                    + ",\"version\":" + quoted(VERSION) + ",\"requests\":" + REQUESTS + "}";
            } else {
                text = add(exchange.getRequestURI().getRawQuery());
            }
        } catch (Refusal refusal) {
            status = refusal.status;
            kind = "application/json";
            text = "{\"reason\":" + quoted(refusal.getMessage()) + "}";
        }
        List<String> given = exchange.getRequestHeaders().getOrDefault("X-Request-Id", List.of());
        boolean isKnown = given.size() == 1 && given.get(0).matches("[!-~]{1,128}");
        String requestId = isKnown ? given.get(0) : UUID.randomUUID().toString();
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", kind);
        exchange.getResponseHeaders().set("Cache-Control", "no-store");
        exchange.getResponseHeaders().set("X-Instance", INSTANCE);
        exchange.getResponseHeaders().set("X-Version", VERSION);
        exchange.getResponseHeaders().set("X-Request-Id", requestId);
        boolean isHead = exchange.getRequestMethod().equals("HEAD");
        exchange.sendResponseHeaders(status, isHead ? -1 : body.length);
        if (!isHead) {
            exchange.getResponseBody().write(body);
        }
        exchange.close();
        InetSocketAddress peer = exchange.getRemoteAddress();
        log(when, "\"request_id\":" + quoted(requestId)
            + ",\"method\":" + quoted(exchange.getRequestMethod())
            + ",\"path\":" + quoted(exchange.getRequestURI().toString())
            + ",\"status\":" + status
            + ",\"bytes\":" + body.length
            + ",\"micros\":" + (System.nanoTime() - begun) / 1000
            + ",\"peer\":\"" + peer.getAddress().getHostAddress() + ":" + peer.getPort() + "\"");
    }

    /** Returns the sum as text. */
    private static String add(String query) throws Refusal {
        Map<String, Long> operands = new HashMap<>();
        for (String pair : (query == null ? "" : query).split("&")) {
            int equals = pair.indexOf('=');
            String name = decoded(equals < 0 ? pair : pair.substring(0, equals));
            if (!name.equals("l") && !name.equals("r")) {
                continue;
            }
            String value = equals < 0 ? "" : decoded(pair.substring(equals + 1));
            if (operands.put(name, integer(name, value)) != null) {
                throw new Refusal(400, "the parameter " + name + " is given twice");
            }
        }
        for (String name : List.of("l", "r")) {
            if (!operands.containsKey(name)) {
                throw new Refusal(400, "the parameter " + name + " is missing");
            }
        }
        long l = operands.get("l");
        long r = operands.get("r");
        try {
            return Long.toString(Math.addExact(l, r));
        } catch (ArithmeticException overflow) {
            throw new Refusal(400, l + " + " + r + " does not fit in 64 bits");
        }
    }

    private static String decoded(String text) throws Refusal {
        try {
            return URLDecoder.decode(text, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException error) {
            throw new Refusal(400, "invalid query");
        }
    }

    private static long integer(String name, String value) throws Refusal {
        String shown = quoted(value.substring(0, Math.min(value.length(), 40)));
        if (!value.matches("-?[0-9]+")) {
            throw new Refusal(400, "the parameter " + name + " is not an integer: " + shown);
        }
        try {
            return Long.parseLong(value);
        } catch (NumberFormatException error) {
            throw new Refusal(400, "the parameter " + name + " does not fit in 64 bits: " + shown);
        }
    }

    /** Writes one log line as JSON, in the format of all services of the lab. */
    private static void log(Instant when, String fields) {
        OUT.println("{\"time\":\"" + when.truncatedTo(ChronoUnit.MICROS) + "\",\"service\":\"" + NAME
            + "\",\"instance\":" + quoted(INSTANCE) + "," + fields + "}");
    }

    /** Returns the text as a JSON string. */
    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\') {
                quoted.append('\\').append(letter);
            } else if (letter < ' ') {
                quoted.append(String.format("\\u%04x", (int) letter));
            } else {
                quoted.append(letter);
            }
        }
        return quoted.append('"').toString();
    }

    private static String instance() {
        // The short form of the allocation's id, as Nomad shows it.
        String id = variable("NOMAD_ALLOC_ID", Long.toString(ProcessHandle.current().pid()));
        return id.substring(0, Math.min(id.length(), 8));
    }

    private static String variable(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null ? otherwise : value;
    }
}
