# The life of an account and its certificate by the gem acme-client: directory, root, folder of challenges.
require 'acme-client'

directory, root, challenges = ARGV
client = Acme::Client.new(private_key: OpenSSL::PKey::RSA.new(2048), directory: directory, connection_options: { ssl: { ca_file: root } })
account = client.new_account(contact: 'mailto:ops@example.com', terms_of_service_agreed: true)

order = client.new_order(identifiers: ['ruby.localhost'])
challenge = order.authorizations.first.http
File.write(File.join(challenges, challenge.token), challenge.file_content)
challenge.request_validation
challenge.reload while %w[pending processing].include?(challenge.status) && sleep(0.2)

csr = Acme::Client::CertificateRequest.new(private_key: OpenSSL::PKey::RSA.new(2048), names: ['ruby.localhost'])
order.finalize(csr: csr)
order.reload while order.status == 'processing' && sleep(0.2)
puts order.certificate
client.revoke(certificate: OpenSSL::X509::Certificate.new(order.certificate), reason: 4)

begin
  client.new_order(identifiers: ['a_b.localhost'])
rescue Acme::Client::Error::RejectedIdentifier => e
  puts "refused: #{e.message}"
end
account.deactivate
puts account.status
