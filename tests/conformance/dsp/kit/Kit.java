import java.io.FileWriter;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;

import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.PostDiscoveryFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs the official Dataspace Protocol kit and writes one line per test method.
 *
 * <p>Arguments: the kit's settings (a properties file), the file for the lines, and optionally the ids
 * to run, divided by commas (a test runs when its id begins with one of them). A line has four parts
 * divided by tabs: result, id, milliseconds, reason. The kit's own main class hides failures from its
 * exit status; here whoever reads the lines decides.
 */
public final class Kit implements TestExecutionListener {
    private final Map<String, Long> begun = new ConcurrentHashMap<>();
    private final PrintWriter lines;

    private Kit(PrintWriter lines) {
        this.lines = lines;
    }

    public static void main(String[] arguments) throws Exception {
        var settings = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(arguments[0]))) {
            settings.load(reader);
        }
        settings.stringPropertyNames().forEach(name -> System.setProperty(name, settings.getProperty(name)));
        var wanted = arguments.length > 2 ? arguments[2].split(",") : new String[] {""};
        try (var lines = new PrintWriter(new FileWriter(arguments[1]), true)) {
            LauncherFactory.create().execute(plan(wanted), new Kit(lines));
        }
        System.exit(0); // the kit leaves threads behind
    }

    private static LauncherDiscoveryRequest plan(String[] wanted) {
        PostDiscoveryFilter chosen = test -> {
            for (var id : wanted) {
                if (!test.isTest() || test.getDisplayName().startsWith(id)) {
                    return FilterResult.included(id);
                }
            }
            return FilterResult.excluded("not asked for");
        };
        return LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectPackage("org.eclipse.dataspacetck.dsp.verification"))
                .filters(chosen)
                .build();
    }

    @Override
    public void executionStarted(TestIdentifier test) {
        begun.put(test.getUniqueId(), System.currentTimeMillis());
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        if (test.isTest()) {
            write("skipped", test, reason);
        }
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        var passed = result.getStatus() == TestExecutionResult.Status.SUCCESSFUL;
        if (test.isTest() || !passed) {
            write(passed ? "passed" : "failed", test, result.getThrowable().map(Kit::told).orElse(""));
        }
    }

    private static String told(Throwable failure) {
        var text = new StringBuilder(String.valueOf(failure));
        for (var cause = failure.getCause(); cause != null; cause = cause.getCause()) {
            text.append(" because ").append(cause);
        }
        return text.toString();
    }

    private void write(String result, TestIdentifier test, String reason) {
        var now = System.currentTimeMillis();
        var millis = now - begun.getOrDefault(test.getUniqueId(), now);
        lines.println(String.join("\t", result, test.getDisplayName(), String.valueOf(millis), reason.replaceAll("\\s+", " ")));
    }
}
