package io.sallyport.envoyconfig;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Tests that share one Envoy and what is behind it, each with a connection of its own. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class OnOneEnvoy {
    LiveEnvoy live;
    RawHttp2 client;

    /** What Envoy is set up from. */
    SettingsText settings() {
        return new SettingsText();
    }

    @BeforeAll
    void start(@TempDir Path directory) throws Exception {
        live = LiveEnvoy.start(directory, settings());
    }

    @AfterAll
    void stop() {
        if (live != null) {
            live.close();
        }
    }

    @BeforeEach
    void connect() throws Exception {
        live.forget();
        client = live.connect();
    }

    @AfterEach
    void disconnect() {
        client.close();
    }
}
