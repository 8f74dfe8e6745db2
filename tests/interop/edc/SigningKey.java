package hansa.interop;

import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.Base64;

import org.eclipse.edc.runtime.metamodel.annotation.Inject;
import org.eclipse.edc.spi.security.Vault;
import org.eclipse.edc.spi.system.ServiceExtension;
import org.eclipse.edc.spi.system.ServiceExtensionContext;

/**
 * Makes the key with which EDC's data plane signs its access tokens.
 *
 * <p>The vault of the base runtime is in memory and empty, and no setting fills it; without a key
 * every pull transfer ends as TERMINATED.
 */
public class SigningKey implements ServiceExtension {
    @Inject
    private Vault vault;

    @Override
    public void initialize(ServiceExtensionContext context) {
        KeyPair keys;
        try {
            var generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(256);
            keys = generator.generateKeyPair();
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
        vault.storeSecret("token-private", pem("PRIVATE KEY", keys.getPrivate().getEncoded()));
        vault.storeSecret("token-public", pem("PUBLIC KEY", keys.getPublic().getEncoded()));
    }

    private static String pem(String label, byte[] der) {
        var lines = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
        return "-----BEGIN " + label + "-----\n" + lines + "\n-----END " + label + "-----\n";
    }
}
