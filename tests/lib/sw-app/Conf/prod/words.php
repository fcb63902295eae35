<?php
return ['greeting' => ['en' => 'hello from prod']];
