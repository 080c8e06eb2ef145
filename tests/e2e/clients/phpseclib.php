<?php
// What table_of_clients.rs expects of every client, with phpseclib.
spl_autoload_register(function ($class) {
    require "/usr/share/php/" . str_replace(["phpseclib3\\", "\\"], ["phpseclib3/", "/"], $class) . ".php";
});
[, $port, $local] = $argv;
$sftp = new phpseclib3\Net\SFTP("127.0.0.1", (int) $port);
function check($outcome, $what) {
    if ($outcome === false) {
        fwrite(STDERR, "$what failed\n");
        exit(1);
    }
    return $outcome;
}
check($sftp->login("alice", "pw"), "the login");
$from = phpseclib3\Net\SFTP::SOURCE_LOCAL_FILE;
check($sftp->put("put", "$local/first", $from), "put");
check($sftp->get("put", "$local/got"), "get");
check($sftp->put("over", "$local/first", $from), "put");
check($sftp->put("over", "$local/second", $from), "overwrite");
// Without the last argument it would begin with the whole file where the half ends.
$size = check($sftp->filesize("half"), "stat");
check($sftp->put("half", "$local/first", $from | phpseclib3\Net\SFTP::RESUME, -1, $size), "resume");
check($sftp->symlink("put", "link"), "symlink");
file_put_contents("$local/listing", implode("\n", check($sftp->nlist("/"), "list")));
