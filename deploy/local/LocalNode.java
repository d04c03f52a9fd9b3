import java.io.IOException;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node: a directory, then its settings as NAME=VALUE; commas separate a list. */
public final class LocalNode {
    private LocalNode() {}

    public static void main(String[] arguments) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            for (int i = 1; i < arguments.length; i++) {
                String[] setting = arguments[i].split("=", 2);
                settings.put(setting[0], setting[1]);
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (IOException error) {
                error.printStackTrace();
            }
        }));
        runner.build("-basePath", arguments[0], "-numOfNode", "1");
        Thread.currentThread().join();
    }
}
