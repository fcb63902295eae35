<?php
return ['ns_pre' => 'Shop', 'ns_ctrl' => 'Ctrl', 'ns_dao' => 'Dao', 'ns_helper' => 'Helper'];
