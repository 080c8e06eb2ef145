import com.jcraft.jsch.ChannelSftp;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.Session;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What table_of_clients.rs expects of every client, with JSch. */
class Jsch {
    public static void main(String[] arguments) throws Exception {
        Path local = Path.of(arguments[1]);
        Session session = new JSch().getSession("alice", "127.0.0.1", Integer.parseInt(arguments[0]));
        session.setPassword("pw");
        session.setConfig("StrictHostKeyChecking", "no");
        session.connect(20000);
        ChannelSftp sftp = (ChannelSftp) session.openChannel("sftp");
        sftp.connect();
        String first = local.resolve("first").toString();
        String second = local.resolve("second").toString();
        sftp.put(first, "put");
        sftp.get("put", local.resolve("got").toString());
        sftp.put(first, "over");
        sftp.put(second, "over", ChannelSftp.OVERWRITE);
        sftp.put(first, "half", ChannelSftp.RESUME);
        sftp.symlink("put", "link");
        List<String> names = new ArrayList<>();
        for (Object entry : sftp.ls("/")) {
            names.add(((ChannelSftp.LsEntry) entry).getFilename());
        }
        Files.write(local.resolve("listing"), names);
        session.disconnect();
    }
}
