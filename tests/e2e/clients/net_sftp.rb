# What table_of_clients.rs expects of every client, with Ruby's net-sftp.
require "net/sftp"

port, local = ARGV
options = { port: port.to_i, password: "pw", verify_host_key: :never, config: false, keys: [], use_agent: false }
Net::SFTP.start("127.0.0.1", "alice", options) do |sftp|
  sftp.upload!("#{local}/first", "put")
  sftp.download!("put", "#{local}/got")
  sftp.upload!("#{local}/first", "over")
  sftp.upload!("#{local}/second", "over")
  # It has no resume of its own: what is missing goes where the file ends.
  size = sftp.stat!("half").size
  rest = File.binread("#{local}/first", nil, size)
  handle = sftp.open!("half", "r+")
  rest.bytes.each_slice(32_000).with_index { |part, at| sftp.write!(handle, size + at * 32_000, part.pack("C*")) }
  sftp.close!(handle)
  sftp.symlink!("put", "link")
  File.write("#{local}/listing", sftp.dir.entries("/").map(&:name).join("\n"))
end
